"""Large language models behind one method, `complete(request) -> reply`. `backend.py` is the contract, `build.py` puts one together."""
