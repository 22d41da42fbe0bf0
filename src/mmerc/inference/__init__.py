"""From conversations to labelled utterances with their reasons."""
