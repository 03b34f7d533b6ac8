"""Alibaba Cloud DNS, as far as domains and their records go: what an account publishes, and what a resolver sees."""
