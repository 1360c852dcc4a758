"""The Function App's logic, without any dependency on Azure Functions.

A trigger file becomes a request, the request becomes a plan, and the plan becomes one Batch task per batch of frames.
Tasks leave receipts; once every batch has one, the segments are joined into a video. No state is kept between
invocations: each handler reads the durable state (`state`), asks the pure function `decide` for the next action, and
executes it (`advance`). Every action is idempotent.
"""
