"""Programs for a server: what must be tried, at random as well; how programs that fail become short."""
