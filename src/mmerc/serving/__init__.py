"""The service: web page and HTTP API for analyses and predictions."""
