"""Running a network: device, CPU workers, mixed precision, tiling, memory allocator."""
