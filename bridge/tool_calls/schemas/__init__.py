"""A client's JSON Schemas: read, checked against, and written as TypeScript."""
