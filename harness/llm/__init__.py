"""Large language models behind one method, `complete(request) -> reply`. See README.md."""
