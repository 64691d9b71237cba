"""A client's JSON Schemas: read, checked against, written as TypeScript; may import no other package."""
