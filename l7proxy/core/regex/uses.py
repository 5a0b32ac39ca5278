"""How an expression is used."""

FULL, BEGINNING, SEARCH = "full", "beginning", "search"
"""For a whole text, for its beginning, or for each place in it, again and again."""
