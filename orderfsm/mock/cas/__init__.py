"""The face of CAS: what its API reads from requests, and what it answers."""
