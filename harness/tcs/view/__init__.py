"""Turn sections into text."""
