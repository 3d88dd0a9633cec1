"""Chroma: a persistent client in the process, a collection with its default index (HNSW)."""

import chromadb
from chromadb.config import Settings
from chromadb.utils.embedding_functions import SentenceTransformerEmbeddingFunction


class Library:
    def __init__(self, model):
        self.encoder = SentenceTransformerEmbeddingFunction(model_name=model)

    def build(self, folder, texts, vectors):
        client = chromadb.PersistentClient(str(folder), Settings(anonymized_telemetry=False))
        collection = client.create_collection("passages", embedding_function=self.encoder)
        at_once = client.get_max_batch_size()
        for first in range(0, len(texts), at_once):
            rows = range(first, min(first + at_once, len(texts)))
            collection.add(
                ids=[str(row) for row in rows],
                documents=[texts[row] for row in rows],
                embeddings=None if vectors is None else vectors[rows.start : rows.stop],
            )

    def open(self, folder):
        client = chromadb.PersistentClient(str(folder), Settings(anonymized_telemetry=False))
        self.collection = client.get_collection("passages", embedding_function=self.encoder)

    def search(self, question, k):
        found = self.collection.query(query_texts=[question], n_results=min(k, self.collection.count()))
        return [(int(id), -far) for id, far in zip(found["ids"][0], found["distances"][0], strict=True)]
