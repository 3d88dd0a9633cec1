"""LlamaIndex: `VectorStoreIndex` over its default store, kept in memory and persisted as JSON."""

from llama_index.core import StorageContext, VectorStoreIndex, load_index_from_storage
from llama_index.core.schema import TextNode
from llama_index.embeddings.huggingface import HuggingFaceEmbedding


class Library:
    def __init__(self, model):
        self.encoder = HuggingFaceEmbedding(model_name=model)

    def build(self, folder, texts, vectors):
        given = [None] * len(texts) if vectors is None else vectors.tolist()
        nodes = [TextNode(id_=str(row), text=text, embedding=given[row]) for row, text in enumerate(texts)]
        VectorStoreIndex(nodes, embed_model=self.encoder).storage_context.persist(str(folder))

    def open(self, folder):
        context = StorageContext.from_defaults(persist_dir=str(folder))
        self.index = load_index_from_storage(context, embed_model=self.encoder)

    def search(self, question, k):
        found = self.index.as_retriever(similarity_top_k=k).retrieve(question)
        return [(int(one.node.node_id), one.score) for one in found]
