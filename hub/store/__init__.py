"""Every query and every transaction of the hub; nobody else writes SQL."""
