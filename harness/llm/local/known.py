"""A few larger models for `llm=llama_cpp llm.path=FILE.gguf`, by their published names; the doctor says what they would take."""

from __future__ import annotations

from dataclasses import dataclass

_BYTES_PER_VALUE = 2  # of the cache of keys and values: 16-bit floats
_WORK_BYTES = 400_000_000


@dataclass(frozen=True, slots=True)
class Known:
    """A published GGUF file, with its length; the other numbers are in the model's config.json."""

    repository: str
    file: str
    file_bytes: int
    layers: int
    key_heads: int
    head_width: int

    def needed_bytes(self, num_ctx: int) -> int:
        """Estimate the memory that it takes with a window of `num_ctx` tokens."""
        cache = 2 * self.layers * num_ctx * self.key_heads * self.head_width * _BYTES_PER_VALUE
        return self.file_bytes + cache + _WORK_BYTES

    @property
    def command(self) -> str:
        """The command that downloads it (`pip install huggingface_hub` brings `hf`)."""
        return f"hf download {self.repository} {self.file} --local-dir ."


KNOWN = (
    Known("bartowski/Qwen2.5-7B-Instruct-GGUF", "Qwen2.5-7B-Instruct-Q4_K_M.gguf", 4_680_000_000, 28, 4, 128),
    Known("bartowski/phi-4-GGUF", "phi-4-Q4_K_M.gguf", 9_050_000_000, 40, 10, 128),
    Known("bartowski/Qwen2.5-Coder-32B-Instruct-GGUF", "Qwen2.5-Coder-32B-Instruct-Q4_K_M.gguf", 19_850_000_000, 64, 8, 128),
)
