"""Rules of our own on Markdown before the parser reads it: formulas, spoilers, sections, addresses, emphasis."""
