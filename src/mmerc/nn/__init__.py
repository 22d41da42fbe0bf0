"""Blocks that two models share; they know torch, transformers and peft, and nothing of ours."""
