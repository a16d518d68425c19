/** A long-polling session that is signed in and then never asks again: what is sent to it waits in the server. */
export const IdlePoller = {
  open: async (url: string, token: string): Promise<void> => {
    const address = `${url}/socket.io/?EIO=4&transport=polling`;
    const opened = await (await fetch(address)).text();
    const { sid } = JSON.parse(opened.slice(1)) as { sid: string };
    const session = `${address}&sid=${sid}`;
    await fetch(session, { method: 'POST', body: `40${JSON.stringify({ token })}` });
    // The answer to signing in: from here on the server counts it as connected.
    let heard = '';
    while (!heard.includes('session:ready')) heard += await (await fetch(session)).text();
  },
};
