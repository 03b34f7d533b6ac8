"""The files that an audit writes for people and other programs."""
