"""What stands in files: hostile bytes in, what models and clients take out. Knows no network and no Matrix."""
