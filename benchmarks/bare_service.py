"""FastAPI that reads a body and answers a constant: what the framework alone can do, and the load generator too."""

import sys

import uvicorn
from fastapi import FastAPI, Request, Response

app = FastAPI()


@app.post("/invocations")
async def invocations(request: Request) -> Response:
    """Read the body and answer."""
    await request.body()
    return Response(b'{"predictions":[[0.5,0.5]]}', media_type="application/json")


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), access_log=False, log_level="warning")
