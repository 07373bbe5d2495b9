"""The Hub: a build or a retriever as a versioned, verified release there; everything before the first write is free."""
