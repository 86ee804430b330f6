// What is known of the process that answers, and of who asks it.
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import { get, useAsked, type Asked } from "./api";
import type { Installation } from "./types";

export const Here = createContext<Installation | undefined>(undefined);

export const useInstallation = (): Asked<Installation> => useAsked("installation", (signal) => get<Installation>("installation", {}, signal), 5000);

/** Why whoever looks may change nothing; "" where they may, or where that is not known yet. */
export function useForbidden(): string {
  const here = useContext(Here);
  return here && !here.may.includes("admin") ? "This login may look and not change anything: that takes the scope admin." : "";
}
