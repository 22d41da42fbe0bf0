"""Training of the face network behind ``mmerc.features.denseface`` on FER2013."""
