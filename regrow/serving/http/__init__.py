"""What clients see: routes, their OpenAPI description, keys, and what every request passes."""
