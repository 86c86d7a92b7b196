"""From raw rows to encoded ratings: sources, quality, vocabularies, split."""
