"""From a recipe and a prepared corpus to trained, evaluated models."""
