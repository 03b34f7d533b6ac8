"""What connects the kit to a server: the protocol, and drivers for HTTP, for the mock, for machines."""
