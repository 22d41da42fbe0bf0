"""How a trained model does on corpora that it was not trained on."""
