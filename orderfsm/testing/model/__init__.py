"""What a server must answer: steps of programs, a model of the account, a session that holds one against the other."""
