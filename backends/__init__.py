"""The contract between the engine and array libraries."""
