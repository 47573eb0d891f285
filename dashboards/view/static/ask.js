// Requests to this page's own server, asked again where the browser broke them off.

const WAITS_MS = [300, 700, 1500, 3000];

/**
 * fetch of a path on this server, from the origin, since fetch refuses an address with an account in it. A browser breaks off its requests
 * when a network interface comes or goes, as one does with each container: so it asks again, for some seconds. Throws the last error.
 */
export async function ask(path, signal) {
  for (const wait of [...WAITS_MS, null]) {
    try {
      return await fetch(location.origin + path, { signal, credentials: "same-origin" });
    } catch (error) {
      if (error.name === "AbortError" || wait === null) throw error;
      await new Promise((done) => { setTimeout(done, wait); });
    }
  }
}
