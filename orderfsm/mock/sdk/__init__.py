"""How programs that call Alibaba Cloud, and know nothing of a mock, are led to one."""
