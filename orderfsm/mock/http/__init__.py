"""The mock on sockets: its two ports as ASGI applications, the server, and the program."""
