"""Settings of very small models, and the rows of DF-ERC's Table 2 that tests train."""

SMALL = (
    "model.disentangled_width=8", "model.classifier_width=8", "model.fusion_width=8",
    "model.prototype_width=8", "model.context_width=8", "model.attention_heads=2",
    "training.epochs=1", "training.patience=null", "training.batch_conversations=2",
    "training.warmup_steps=1", "training.learning_rate=0.02", "training.weight_averaging=0",
)  # fmt: skip
ROWS = ("-DDM", "-Utterance", "-Modality")
