"""Clients that call a server at the same time, at random or in races."""
