"""Publishing: the card and the manifest of a build folder."""
