/** The settings of the file system, as an operator sees and changes them. */
import { QuorateError } from "../../../runtime/errors.ts";
import type { SettingsJson } from "../../../wire/files-admin.ts";
import type { NamespaceSettings } from "../../files/namespace/model.ts";

/** Safe mode and the standing of nodes have addresses of their own. */
export function settingsJson(settings: NamespaceSettings): SettingsJson {
  const { safeMode: _on, decommissioning: _leaving, inMaintenance: _away, ...others } = settings;
  return others;
}

/** Throws PROTOCOL: a name that is no setting, or a value of another kind. What values may be the namespace knows. */
export function settingsChange(
  current: NamespaceSettings,
  order: Readonly<Record<string, unknown>>,
): Partial<NamespaceSettings> {
  const known = settingsJson(current);
  for (const [name, value] of Object.entries(order)) {
    if (!Object.hasOwn(known, name)) {
      const names = Object.keys(known).join(", ");
      throw new QuorateError("PROTOCOL", `no setting is called "${name.slice(0, 50)}"; there are ${names}`);
    }
    const kind = typeof known[name as keyof SettingsJson];
    if (typeof value !== kind || value === "" || String(value).length > 255)
      throw new QuorateError("PROTOCOL", `the setting ${name} is a ${kind}`);
  }
  return order as Partial<SettingsJson>;
}
