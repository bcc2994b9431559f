// The rows of a run as they come from the feed: pieces of compact JSON, texts by number, milliseconds since the run
// began. Says nothing of how they look. window.timelineRows(url, onPiece) reads all pieces, one after the other.
(() => {
  const objects = (piece) => {
    const text = piece.strings;
    return piece.rows.map((row) => ({
      id: row[0],
      parent: row[1],
      call: text[row[2]],
      kind: text[row[3]],
      origin: text[row[4]],
      status: text[row[5]],
      start: row[6],
      length: row[7],
      text: text[row[8]],
      note: text[row[9]],
      actor: text[row[10]],
      minor: row[11],
      currency: text[row[12]],
      policy: text[row[13]],
      url: text[row[14]],
      tokens: row[15],
    }));
  };
  window.timelineRows = async (url, version, onPiece) => {
    let query = version ? `?version=${encodeURIComponent(version)}` : "";
    for (;;) {
      const response = await fetch(url + query, { headers: { Accept: "application/json" } });
      if (response.status === 204) return false;
      if (!response.ok) throw new Error(`The feed answered ${response.status}`);
      const piece = await response.json();
      onPiece(piece, objects(piece), !piece.next);
      if (!piece.next) return true;
      query = `?after=${encodeURIComponent(piece.next)}`;
    }
  };
})();
