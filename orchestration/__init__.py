"""The Function App's logic, without any dependency on Azure Functions.

A trigger file becomes a request, the request becomes a plan, and the plan becomes Batch tasks, each of one or several
neighboring batches of frames. Tasks leave a receipt for each batch; once every batch has one, the segments are joined
into a video. No decision depends on what a process remembers: each handler reads the durable state (`state`), asks the
pure function `decide` for the next action, and executes it (`advance`). Every action is idempotent.
"""
