"""Blocks that several models share; they depend on torch, transformers and peft only."""
