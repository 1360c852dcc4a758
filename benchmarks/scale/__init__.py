"""What handlers cost: operations on storage and Batch, CPU and memory, counted below the real storage SDK."""
