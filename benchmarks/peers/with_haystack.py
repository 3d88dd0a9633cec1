"""Haystack: its sentence-transformers embedders, the in-memory document store and its retriever, as two pipelines."""

from haystack import Document, Pipeline
from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
from haystack.components.writers import DocumentWriter
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack_integrations.components.embedders.sentence_transformers import (
    SentenceTransformersDocumentEmbedder,
    SentenceTransformersTextEmbedder,
)


class Library:
    def __init__(self, model):
        self.model = model

    def build(self, folder, texts, vectors):
        store, pipeline = InMemoryDocumentStore(), Pipeline()
        documents = [Document(id=str(row), content=text) for row, text in enumerate(texts)]
        pipeline.add_component("writer", DocumentWriter(store))
        embedder = SentenceTransformersDocumentEmbedder(model=self.model, progress_bar=False)
        if vectors is None:
            pipeline.add_component("embedder", embedder)
            pipeline.connect("embedder.documents", "writer.documents")
            pipeline.run({"embedder": {"documents": documents}})
        else:
            embedder.warm_up()  # the others hold the encoder too
            documents = [
                Document(id=str(row), content=text, embedding=vectors[row].tolist()) for row, text in enumerate(texts)
            ]
            pipeline.run({"writer": {"documents": documents}})
        folder.mkdir(parents=True)
        store.save_to_disk(str(folder / "store.json"))

    def open(self, folder):
        store = InMemoryDocumentStore.load_from_disk(str(folder / "store.json"))
        self.pipeline = Pipeline()
        self.pipeline.add_component("embedder", SentenceTransformersTextEmbedder(model=self.model, progress_bar=False))
        self.pipeline.add_component("retriever", InMemoryEmbeddingRetriever(store))
        self.pipeline.connect("embedder.embedding", "retriever.query_embedding")

    def search(self, question, k):
        found = self.pipeline.run({"embedder": {"text": question}, "retriever": {"top_k": k}})
        return [(int(document.id), document.score) for document in found["retriever"]["documents"]]
