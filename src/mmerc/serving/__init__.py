"""The service: a web page and an HTTP API for analyses and predictions."""
