"""Widgets of our own: the player and the drop zone; and where a page runs (`host`)."""
