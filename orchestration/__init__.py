"""What happens when a trigger file arrives: the Function App's thinking, without one line of Azure Functions.

A trigger becomes a request, the request a plan, the plan a Batch task per batch of frames; tasks leave receipts, and
when every batch has one, the segments become a video. Nothing is remembered between calls: each handler looks at what
is durable (`state`), asks the pure function `decide` what is next, and does it (`advance`). Doing it twice is harmless.
"""
