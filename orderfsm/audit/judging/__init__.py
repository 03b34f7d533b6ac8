"""From the lines of a log to the ruling on each order: sorted, packed, and each distinct history judged once."""
