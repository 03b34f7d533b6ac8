"""Where a mock keeps what it knows: in memory, or in SQLite or PostgreSQL."""
