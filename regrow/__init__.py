"""The core that flows, tasks, the model server and the command line share."""
