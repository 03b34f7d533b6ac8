"""From files and frames to the lines of a log, and what each line means. Nothing is judged here."""
