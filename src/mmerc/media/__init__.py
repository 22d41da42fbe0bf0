"""From files to samples and frames: decoding, subtitles, faces."""
