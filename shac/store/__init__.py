"""What is on disk: the folder of a search, its manifest, journal, lock and table. Nothing else parses these files."""
