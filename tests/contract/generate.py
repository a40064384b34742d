"""Generates a language's classes from the contract and looks for what a client needs among them:
generate.py PROTOC PROTOC_C CONTRACT FOLDER LANGUAGE"""
import subprocess
import sys
from pathlib import Path

# Words that the generated files of a language must contain between them.
WANTED = {
    "c": ["Muster__V1__TouchRequest", "MUSTER__V1__STATUS__STATUS_BUSY"],
    "python": ["muster.v1", "TouchRequest"],
    "java": ["package dev.muster.v1;", "class TouchRequest", "STATUS_BUSY"],
    "kotlin": ["dev.muster.v1", "touchRequest"],
    "csharp": ["namespace Muster.V1", "class TouchRequest", "Busy"],
    "ruby": ["module Muster", "TouchRequest", "STATUS_BUSY"],
    "php": ["namespace Muster\\V1;", "class TouchRequest", "STATUS_BUSY"],
}


def main():
    protoc, protoc_c, contract, folder, language = sys.argv[1:]
    contract, folder = Path(contract), Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    compiler = protoc_c if language == "c" else protoc
    subprocess.run([compiler, f"--proto_path={contract.parents[2]}", f"--{language}_out={folder}", contract], check=True)
    files = [path for path in folder.rglob("*") if path.is_file()]
    text = "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in files)
    missing = [word for word in WANTED[language] if word not in text]
    print(f"{language}: {len(files)} files, {len(text)} characters in {folder}")
    if missing:
        sys.exit(f"the generated {language} lacks {missing}")


main()
