"""JSON Schemas of clients: normalized, validated, rendered as TypeScript; may import no other package."""
